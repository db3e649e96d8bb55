// The management side of a PHY (IEEE 802.3, 22.2.4) whose partner, if it has one, offers nothing but `speed`, full duplex.

`timescale 1ps / 1ps

module mdio_phy #(
    parameter [4:0] ADDRESS = 0
) (
    input       mdc,
    inout       mdio,
    input       up,
    input [1:0] speed  // 0: 10 Mb/s, 1: 100 Mb/s, 2: 1 Gb/s
);
  localparam LATE = 200_000;  // of the 300 ns that a PHY may take

  reg drives = 0, level = 1, active = 0;
  reg [5:0] ones = 0;
  reg [4:0] bits = 0;
  reg [31:0] frame = 0;
  assign mdio = drives ? level : 1'bz;

  // 01 10, address, register: a read of this PHY; to all else it keeps silent.
  wire mine = frame[13:10] == 4'b0110 && frame[9:5] == ADDRESS;
  reg [15:0] value;
  always @*
    case (frame[4:0])
      0: value = 16'h1140;
      1: value = up ? 16'h796d : 16'h7949;
      4: value = 16'h01e1;
      5: value = !up ? 16'h0000 : speed == 1 ? 16'h4101 : speed == 0 ? 16'h4041 : 16'h4001;
      9: value = 16'h0200;
      10: value = up && speed == 2 ? 16'h0800 : 16'h0000;
      default: value = 16'h0000;
    endcase

  reg [15:0] data = 0;
  always @(posedge mdc)
    if (!active) begin
      if (mdio) ones <= ones == 32 ? ones : ones + 1;
      else begin
        active <= ones == 32;
        ones <= 0;
        bits <= 1;
        frame <= 0;
      end
    end else begin
      bits <= bits + 1;
      if (bits < 14) frame <= {frame[30:0], mdio};
      if (bits == 14) begin
        data <= value;
        drives <= #LATE mine;
        level <= #LATE 0;
      end
      if (bits > 14 && bits < 31) begin
        level <= #LATE data[15];
        data <= {data[14:0], 1'b0};
      end
      if (bits == 31) begin
        drives <= #LATE 0;
        active <= 0;
      end
    end
endmodule
